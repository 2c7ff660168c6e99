"""Names of columns in several languages -> the field that a column holds.

Names are compared without case, accents and signs; exact ones come before those that hold a known
word.
"""

import re

from windowshop.imports.languages import without_language
from windowshop.imports.names_of_scripts import NAMES_OF_SCRIPTS
from windowshop.imports.values import plain_name

_NAMES = {
    "product_id": (
        "product id,productid,item id,itemid,id,article id,artikel id,sku,product sku,"
        "variant sku,item sku,artikelnummer,artikelnr,artikel nr,art nr,artnr,artikel nummer,"
        "produktnummer,produktnr,produkt id,bestellnummer,bestellnr,item number,item no,itemno,"
        "item code,itemcode,product code,productcode,article number,article no,part number,"
        "partnumber,product number,reference,ref,ref article,reference produit,identifiant,"
        "id produit,code article,code produit,referencia,codigo,id producto,id articulo,clave,"
        "codice,codice articolo,codice prodotto,id prodotto,riferimento,artikelcode,"
        "productnummer,product nummer,codigo do produto,id do produto,id produto,kod,"
        "kod produktu,kod produktu producenta,id produktu,symbol,indeks,numer katalogowy,"
        "varenummer,varenr,tuotenumero,tuotekoodi,kod zbozi,cislo produktu,stok kodu,urun kodu,"
        "urun id,asin,uniq id,unique id,nr,no,docid,doc id,object id,objectid,corpus id,handle,"
        "key,product key,pid,externalid,external id,entity id,merchant product id,aw product id,"
        "stock code,stockcode,item,upc code,seller sku,internal reference,default code,"
        "custom sku,unique merchant sku,system id,internal id,token,kod towaru,artikul,"
        "article code,material number,materialnummer,matnr,code,uuid,"
        "artnum,variant id,concrete sku,order number,ordernumber,products model,"
        "id oferty,sygnatura sku sprzedajacego,merchant product simple id,satici stok kodu,"
        "reference interne,interne referenz,referencia interna,riferimento interno,"
        "interne referentie,cikkszam,termekkod,sifra,sifra proizvoda,cod produs,"
        "kodas,tootekood,produktkod,stok no,art no,sku code,sku id,idsku,skuid,refid"
    ),
    "group_id": (
        "group id,item group id,itemgroupid,parent id,parentid,parent sku,parent,parent asin,"
        "master id,masterid,master sku,model id,style id,styleid,style number,style code,"
        "family id,product group id,product group,vaterartikel,vater artikelnummer,hauptartikel,"
        "elternartikel,modellnummer,reference parent,id parent,sku parent,produit parent,"
        "id padre,sku padre,padre,codice padre,hoofdartikel,id pai,sku pai,produto pai,"
        "id rodzica,produkt nadrzedny,grupa wariantow,configurable sku,variant group,"
        "variantengruppe,id grupy,parent product id,base id,spu,parent product,parent code,"
        "parent number,configurable product,model code,product model,itemgroup id,"
        "product template external id,product tmpl id,product template id,product template,"
        "product tmpl id id,groupid,group,model number parent,parent item id,parentproductid,"
        "ischildofproductcode,is child of product code,product handle,parent handle,"
        "reference handle,variant group id,gruppen id,gruppe,"
        "main number,mainnumber,main sku,base product,base product code,abstract sku,"
        "product token,parent product code,product set id,handle id,"
        "model kodu,ana urun kodu,merchant product config id,merchant product model id"
    ),
    "title": (
        "title,name,product title,product name,productname,item name,itemname,article name,"
        "display name,productdisplayname,label,product,heading,titel,bezeichnung,"
        "artikelbezeichnung,artikelname,produktname,produkttitel,produktbezeichnung,artikel,"
        "titre,nom,nom du produit,nom produit,designation,libelle,intitule,titulo,nombre,"
        "nombre del producto,nombre producto,denominacion,producto,articulo,titolo,nome,"
        "nome prodotto,nome del prodotto,denominazione,prodotto,productnaam,naam,artikelnaam,"
        "omschrijving kort,nome do produto,nome produto,produto,tytul,nazwa,nazwa produktu,"
        "nazwa towaru,namn,produktnamn,benamning,navn,varenavn,produktnavn,nimi,tuotenimi,nazev,"
        "nazev produktu,nazov,name1,name 1,urun adi,baslik,nume,denumire,termeknev,nev,short name,"
        "item description,artikelbeschreibung kurz,item title,model name,kurzbezeichnung,"
        "prod name,product full name,titel de,nazwa pl,title short,title long,name short,"
        "display title,matrix description,nom court,titre court,nazov produktu,nazva,"
        "tytul oferty,tytul,urun ismi,"
        "termeknev,termek neve,megnevezes,naziv,naziv proizvoda,denumire,"
        "denumire produs,nume produs,nazov,nazov produktu,pavadinimas,toote nimi,"
        "urun adi,item title,sku name"
    ),
    "description": (
        "description,product description,long description,full description,body html,body,"
        "body text,details,product details,content,text,about product,overview,beschreibung,"
        "produktbeschreibung,langbeschreibung,artikelbeschreibung,langtext,beschreibungstext,"
        "description longue,description du produit,descriptif,descripcion,descripcion larga,"
        "descripcion del producto,descrizione,descrizione lunga,descrizione prodotto,"
        "omschrijving,productomschrijving,beschrijving,descricao,descricao do produto,"
        "descricao longa,opis,opis produktu,dlugi opis,beskrivning,produktbeskrivning,"
        "beskrivelse,kuvaus,popis,leiras,aciklama,descriere,summary,short description,"
        "kurzbeschreibung,description courte,resume,descripcion corta,descrizione breve,"
        "korte omschrijving,descricao curta,krotki opis,plot,bullet points,detail desc,"
        "detail description,item description,product text,long text,html description,desc,"
        "long desc,description long,description short,description sale,sales description,"
        "productdescription,longdescription,shortdescription,prod desc,kurztext,"
        "extended description,description html,html body,product description html,"
        "description full,additional description,"
        "opis oferty,urun aciklamasi,"
        "leiras,rovid leiras,opis proizvoda,descriere,popis produktu,aprasymas,"
        "aciklama"
    ),
    "brand": (
        "brand,brands,brand name,brandname,producer,manufacturer,manufacturer name,vendor,maker,"
        "label name,marke,hersteller,herstellername,markenname,marque,fabricant,fabrique par,"
        "marca,fabricante,produttore,merk,fabrikant,merknaam,producent,marka,varumarke,"
        "tillverkare,maerke,merke,brand slug,valmistaja,merkki,znacka,vyrobce,uretici,gyarto,"
        "producator,product brand,designer,manufacturers name,manufacturers,"
        "productmanufacturer,c brand,"
        "marca produs,proizvodac,gyarto neve,marka adi,robna marka"
    ),
    "category": (
        "category,categories,hierarchical categories,category name,category path,categorypath,"
        "category tree,"
        "category hierarchy,product category,product categories,product category tree,"
        "product type,producttype,type,google product category,categoria path,main category,"
        "department,kategorie,kategorien,warengruppe,produktkategorie,kategoriepfad,produkttyp,"
        "categorie,categories produit,rayon,famille,categoria,categorias,categoria del producto,"
        "familia,tipo,reparto,categoria prodotto,categorieen,productcategorie,productgroep,groep,"
        "categoria do produto,kategoria,kategorie produktu,kategoria produktu,grupa,kategori,"
        "varugrupp,varegruppe,tuoteryhma,kategorie zbozi,article type,articletype,product class,"
        "class,taxonomy,breadcrumb,breadcrumbs,mastercategory,collection,section,"
        "amazon category and sub category,categoryname,path,product type name,product group name,"
        "merchant category,merchant product category path,sub category,subcategory,"
        "sub sub category,unterkategorie,sous categorie,subcategoria,category leaf,categorytree,"
        "cat,categ id,categorytext,category text,category id,categories path,product line,"
        "reporting category,kategorie nazev,categories name,categories name 1,kategoria id,"
        "categorie produit,advertiser category,"
        "kategorija,categorie produs,termekkategoria,taxon,taxons,kategoriak,kategori adi"
    ),
    "price": (
        "price,price tax incl,price tax included,price incl vat,price including tax,"
        "price vat incl,price with tax,preis inkl mwst,preis brutto,price gross,current price,"
        "unit price,selling price,retail price,list price,regular price,product price,item price,"
        "price amount,net price,gross price,price incl tax,price value,actual price,preis,"
        "bruttopreis,verkaufspreis,vk,vk preis,vk brutto,einzelpreis,endpreis,prix,prix ttc,"
        "prix de vente,prix unitaire,prix public,precio,pvp,precio venta,precio de venta,"
        "precio con iva,prezzo,prezzo di vendita,prezzo ivato,prijs,verkoopprijs,prijs incl btw,"
        "preco,preco de venda,valor,cena,cena brutto,cena sprzedazy,pris,forsaljningspris,"
        "salgspris,hinta,ara,ar,fiyat,satis fiyati,pret,variant price,search price,final price,"
        "amount,price usd,price eur,price gbp,cost,prix tva incluse,precio iva incluido,"
        "sales price,prices,sale price gross,price vat,price gross value,default price,"
        "base price,productprice,price range,pricing,start price,offer price amount,price net,"
        "price tax excl,"
        "price tax excluded,price excl tax,preis netto,prix ht,precio sin iva,"
        "precio de lista venta,price no tax,unit retail price,usd unit retail price,"
        "price gross amount,verkaufspreis brutto,std vk brutto,vk preis brutto,price inc tax,"
        "price ex tax,std price,city price,cityprice,city prices,cityprices,"
        "cena pl,satis fiyati kdv dahil,price usd,fiyati,trendyol da satilacak fiyat kdv dahil,"
        "brutto ar,ar ft,eladasi ar,fogyasztoi ar,brutto eladasi ar,cijena,"
        "maloprodajna cijena,pret vanzare,pret cu tva,kaina,hind,unit retail,retail,"
        "price with tax,sell price,gross,brutto,"
        "pu ttc,prix unitaire ttc,pu,prix unitaire,pu ht,prix unitaire ht,pv ttc,pv ht,"
        "tarif,tarifs,tarif ttc,unit selling price,fiyat kdv dahil,unit amount"
    ),
    "currency": (
        "currency,currency code,currencycode,currency id,price currency,wahrung,waehrung,devise,"
        "monnaie,moneda,divisa,valuta,moeda,waluta,mena,para birimi,penznem,currency iso"
    ),
    "sale_price": (
        "sale price,saleprice,special price,specialprice,discount price,discounted price,"
        "offer price,promo price,promotional price,deal price,angebotspreis,sonderpreis,"
        "aktionspreis,reduzierter preis,prix promo,prix remise,prix solde,prix promotionnel,"
        "prix reduit,precio de oferta,precio oferta,precio rebajado,prezzo scontato,"
        "prezzo offerta,aanbiedingsprijs,actieprijs,preco promocional,preco de oferta,"
        "cena promocyjna,cena po rabacie,reapris,tilbudspris,kampanjpris,alehinta,akcni cena,"
        "indirimli fiyat,rabattpris,"
        "precio promocional,preco promocional brl,specials price,price special,promotion price,"
        "action price,price sale,"
        "akcios ar,akcijska cijena,pret redus,pret promotional"
    ),
    "list_price": (
        "compare at price,compareatprice,old price,oldprice,original price,was price,msrp,rrp,"
        "recommended price,uvp,streichpreis,alter preis,unverbindliche preisempfehlung,"
        "listenpreis,prix barre,ancien prix,prix conseille,precio anterior,precio original,"
        "precio tachado,prezzo precedente,prezzo originale,prezzo di listino,adviesprijs,"
        "oude prijs,van prijs,preco original,preco de tabela,preco antigo,cena katalogowa,"
        "stara cena,cena przed rabatem,ordinarie pris,foer pris,veiledende pris,normaalihinta,"
        "bezna cena,variant compare at price,compare price,crossed price,mrp,maximum price,"
        "rrp price,retailprice,price old,price rrp,price before discount,strike price,"
        "former price,listprice,price original,usual price,strikethrough price,comparison price,"
        "full price,price full,precio de lista,prix de base,marketing price,"
        "pseudoprice,pseudo price,tprice,recommended retail price,"
        "manufacturer suggested retail price,price compare at,"
        "piyasa satis fiyati kdv dahil,piyasa fiyati,liste fiyati,"
        "compare to price,compare at,eredeti ar,stara cijena,pret vechi,"
        "indirimsiz fiyat"
    ),
    "availability": (
        "availability,in stock,instock,is in stock,is on stock,on stock,stock status,stockstatus,"
        "available,is available,verfugbarkeit,lagerstatus,lieferbar,auf lager,verfugbar,"
        "disponibilite,disponible,en stock,disponibilidad,disponibilita,in magazzino,"
        "availabilities,out of stock,is out of stock,outofstock,sold out,soldout,is sold out,"
        "beschikbaarheid,op voorraad,beschikbaar,disponibilidade,em estoque,disponivel,"
        "dostepnosc,dostepny,dostupnost,tillganglighet,i lager,tilgaengelighed,pa lager,"
        "saatavuus,varastossa,stok durumu,stock availability,qty status,availability status,"
        "inventory status,"
        "verfuegbar,verfuegbarkeit,elerhetoseg,raktarkeszlet allapot,dostupno,"
        "disponibilitate,stok durumu"
    ),
    "images": (
        "image,images,image url,imageurl,image urls,image link,imagelink,image src,imagesrc,img,"
        "img url,imgurl,picture,pictures,picture url,photo,photos,photo url,thumbnail,"
        "thumbnail url,main image,main image url,image path,image file,image name,filename,"
        "file name,additional images,additional image,"
        "additional image link,additional image links,gallery,bild,"
        "bilder,bild url,bildurl,bildlink,bildpfad,bilddatei,foto,fotos,produktbild,hauptbild,"
        "vorschaubild,image principale,url image,lien image,url de l image,photo produit,imagen,"
        "imagenes,url imagen,enlace imagen,imagen principal,immagine,immagini,url immagine,"
        "link immagine,foto prodotto,afbeelding,afbeeldingen,afbeelding url,afbeeldingslink,"
        "imagem,imagens,url da imagem,link da imagem,zdjecie,zdjecia,obraz,obrazek,"
        "link do zdjecia,url zdjecia,bildadress,billede,billeder,bilde,bildelank,kuva,kuvat,"
        "kuvan osoite,obrazok,url obrazku,resim,resim url,kep,imagine,swatch image,base image,"
        "small image,large image,product image,product image url,media,medium,imagepath,img src,"
        "images urls,image 1,image1,bild 1,bild1,foto 1,image url 1,picture 1,hoofdafbeelding,"
        "imgur l,img link,big image,bigimage,picture link,image file url,photo link,cover image,"
        "cover,cover media url,image links,imgs,imgurl alternative,pic,pics,image 1920,"
        "main picture,"
        "gallery images,media gallery,media urls,alternate image,alternative image,"
        "alternative images,"
        "primary image,photourl,pic 1,product media,main image link,picture urls,img 1,"
        "bild pfad,images src,detailed image,media url,product images,image links json,"
        "gorsel,gorsel 1,resimler,gorseller,galeria,zdjecia produktu,"
        "kep,kepek,kep url,slika,slike,imagine url,paveikslelis,pilt,product asset,"
        "featured asset,bild urls,visuel,visuels,visuel url"
    ),
    "link": (
        "link,url,product url,producturl,product link,page url,permalink,deeplink,deep link,href,"
        "web address,produktlink,produkturl,produkt url,lien,lien produit,url produit,"
        "url du produit,enlace,url producto,url del producto,collegamento,url prodotto,"
        "link prodotto,productlink,url do produto,link do produto,link produktu,adres produktu,"
        "url produktu,lank,produktlank,odkaz,landing page,canonical url,aw deep link,"
        "merchant deep link,website link,item url,buy url,product page url,shop url,product page,"
        "offer url"
    ),
    "gtin": (
        "gtin,eans,gtins,upccode,gtin13,gtin 13,gtin14,gtin 14,gtin12,gtin 12,gtin8,"
        "ean,ean13,"
        "ean 13,eancode,ean code,ean nummer,upc,barcode,bar code,isbn,isbn13,jan,strichcode,"
        "code barre,code barres,codigo de barras,codice a barre,streepjescode,kod kreskowy,"
        "kod ean,streckkod,stregkode,viivakoodi,carovy kod,"
        "barkod,barkodu,ean upc"
    ),
    "mpn": (
        "mpn,manufacturer part number,manufacturer sku,manufacturer number,herstellernummer,"
        "hersteller artikelnummer,herstellerartikelnummer,han,reference fabricant,ref fabricant,"
        "referencia fabricante,codice produttore,fabrikantcode,codigo do fabricante,"
        "kod producenta,vendor sku,model number,modelnumber,"
        "hans,manufacturers model,artikelnummer hersteller"
    ),
    "tags": (
        "tags,tag,product tags,keywords,keyword,labels,"
        "schlagworte,schlagworter,stichworte,suchbegriffe,"
        "mots cles,motscles,etiquettes,palabras clave,etiquetas,parole chiave,etichette,"
        "trefwoorden,zoekwoorden,palavras chave,slowa kluczowe,tagi,nyckelord,nogleord,"
        "avainsanat,klicova slova"
    ),
    "stock": (
        "stock,quantity,qty,stock quantity,stock level,inventory,inventory quantity,stock qty,"
        "inventory level,quantity on hand,qty on hand,on hand,available quantity,"
        "quantity available,available stock,bestand,lagerbestand,menge,lager,anzahl,quantite,qte,"
        "stocks,existencias,cantidad,inventario,giacenza,quantita,magazzino,voorraad,aantal,"
        "estoque,quantidade,ilosc,stan,stan magazynowy,antal,lagersaldo,lagerantal,varasto,sklad,"
        "pocet,pocet kusu,stok,keszlet,stoc,current stock,stock on hand,units in stock,"
        "amount in stock,stock count,"
        "lagerbestand gesamt,stock on hand,quantity in stock,qty available,available qty,"
        "estoque atual,stock total,"
        "liczba sztuk,urun stok adedi,stok adedi,stok miktari,adet,"
        "variant inventory quantity,inventory count,stock available,"
        "available to sell,raktarkeszlet,count on hand,zaliha,kolicina,stoc disponibil,cantitate,"
        "on hand qty,total inventory,qty in stock"
    ),
    "published": (
        "published,is published,enabled,is enabled,active,is active,visible,is visible,aktiv,"
        "status,product status,state,sichtbar,veroffentlicht,actif,publie,activo,visible online,"
        "publicado,attivo,pubblicato,actief,gepubliceerd,ativo,aktywny,opublikowano,online,"
        "is online,online flag,publish status,publish,show online,publish to ecom,etat,estado,"
        "stato,visibility,mostrar en tienda,exibir na loja,publish on website,display status,"
        "hide,hidden,is hidden,hideproduct,hide product,"
        "disabled,is disabled,archived,is archived,deleted,"
        "is deleted,sichtbar im shop,mostrar no site,aktif,aktivan,aktivni"
    ),
}
FIELD_OF: dict[str, tuple[str, int]] = {}
"""Field and place of each name in the field's list; earlier names are surer."""
for _field, _listed in _NAMES.items():
    for _place, _name in enumerate(_listed.split(",")):
        FIELD_OF.setdefault(_name.strip(), (_field, _place))
for _field, _listed in NAMES_OF_SCRIPTS.items():
    for _place, _name in enumerate(_listed.split(",")):
        FIELD_OF.setdefault(plain_name(_name), (_field, _place))

_JOINED = {name.replace(" ", ""): name for name in reversed(FIELD_OF)}
"""Names by themselves without spaces ("photourl")."""
_ENDINGS = {
    "price": "price preis prix precio prezzo prijs preco cena pris",
    "images": "image images imageurl imagelink picture bild photo foto imagen immagine afbeelding "
    "imagem zdjecie",
    "title": "title titel titre titulo titolo bezeichnung",
    "description": "description beschreibung descripcion descrizione omschrijving descricao opis",
    "category": "category kategorie categorie categoria kategoria",
    "brand": "brand marke marque marca merk marka hersteller manufacturer",
    "link": "url link",
    "product_id": "sku artikelnummer",
    "group_id": "vaterartikel vaterartikelnummer elternartikel",
    "gtin": "gtin ean upc barcode",
}
_WEAK = {"cost": 0.3} | dict.fromkeys(
    ("prix ht", "pu ht", "prix unitaire ht", "pv ht",
     "price net", "net price", "price tax excl", "price tax excluded", "price excl tax",
     "preis netto", "precio sin iva", "price no tax", "price ex tax"), 0.6)  # fmt: skip

"""Names that a field has only where no other column is it."""
ALSO = {
    "upc code": "gtin", "item group": "category",
    "item description": "description", "item": "title", "article": "title",
    "artikel": "product_id", "product": "product_id",
    "produkt": "product_id", "produit": "product_id", "producto": "product_id",
    "articulo": "product_id", "prodotto": "product_id",
}  # fmt: skip
"""Names that may be another field too; the values tell."""
_PICTURE = re.compile(
    r"(?:.* )?(?:image|img|picture|photo|bild|bilder|foto|imagen|imagene|immagine|immagini"
    r"|afbeelding|afbeeldingen|imagem|imagen|zdjecie|zdjecia|obrazek)s?"
    r"(?: ?\d{1,2})?(?: (?:url|link|src|address|path|pfad))*"
    r"(?: ?\d{1,2}| (?:two|three|four|five|alternative))?"
)
_BY_WORD = {word: field for field, words in _ENDINGS.items() for word in words.split()}
_BRACKETS = re.compile(r"\([^)]*\)|\[[^\]]*\]|\{[^}]*\}|（[^）]*）|\*")
_NAMESPACE = re.compile(r"^(?!meta|seo)[a-z][\w-]*:(?=[a-z]\w+$)")
"""Name of a system before that of a column (`salsify:parent_id`)."""
_CURRENCY = re.compile(
    r"(?<=\w)(?: in)? (?:eur|usd|gbp|chf|pln|sek|nok|dkk|czk|cad|aud|inr|brl|mxn)$"
)
"""Currency behind the name of a price (`UVP in EUR`)."""
_NUMBERED = re.compile(r"(.+?) ?\d{1,2}")
_NOT = frozenset((
    "cost", "tax", "shipping", "versand", "seo", "meta", "alt", "video", "per", "unit", "base",
    "grund", "ek", "einkauf", "min", "max", "currency", "supplier", "purchase", "buying",
    "wholesale", "count", "number", "of", "num", "position", "sort", "rating", "review",
    "language", "width", "height", "size", "type", "date", "label", "color", "colour", "id",
    "length", "lenght",
))  # fmt: skip


def field_of(name: str) -> tuple[str, float] | None:
    """Return the field that a column's name tells, and how sure it is (0 to 1)."""
    plain = plain_name(name)
    if (owner := _owner(name)) is not None:
        return owner if owner[0] else None
    bare = _CURRENCY.sub("", plain_name(_BRACKETS.sub(" ", name)))
    spoken = plain_name(without_language(name))
    path = plain_name(_NAMESPACE.sub("", name).rpartition(".")[2])
    for known, share in ((plain, 1.0), (bare, 0.95), (spoken, 0.92), (path, 0.9)):
        if known and known in FIELD_OF:
            field, place = FIELD_OF[known]
            return field, _WEAK.get(known, share * max(0.7, 1 - 0.01 * place))
    plain = bare or plain
    if (single := _NUMBERED.fullmatch(plain)) and FIELD_OF.get(single[1], ("",))[0] == "images":
        return "images", 0.6
    if _PICTURE.fullmatch(plain) and not _NOT & set(plain.split()):
        return "images", 0.55
    if (joined := _JOINED.get(plain.replace(" ", ""))) is not None:
        return FIELD_OF[joined][0], 0.8
    words = plain.split()
    if _NOT & set(words[:-1]) or len(words) > 4 or not words:
        return None
    for word in (words[-1], words[0]):
        if word in _BY_WORD and not _NOT & set(words):
            return _BY_WORD[word], 0.55
    return None


_PLACES = {
    "images": frozenset(("url", "src", "link", "path", "file", "href")),
    "stock": frozenset(("amount", "quantity", "qty", "available", "net stock")),
}
"""Ends of paths that are the value of the object they stand in."""
_AMOUNTS = frozenset(("gross", "amount", "value", "current", "default", "tax incl", "min"))


def _owner(name: str) -> tuple[str, float] | None:
    """Return the field of an object that a path's end only names (`producer.name`).

    The field is "" where the end is the object's own id; None where the path says more.
    """
    above, _, end = name.rpartition(".")
    owner = plain_name(above.rpartition(".")[2])
    known = (FIELD_OF.get(owner) or FIELD_OF.get(owner.rpartition(" ")[2]) or ("",))[0]
    if known in _PLACES and plain_name(end) in _PLACES[known]:
        return known, 0.85
    if known in ("price", "sale_price", "list_price") and plain_name(end) in _AMOUNTS:
        return known, 0.85
    if known not in ("brand", "category", "currency", "group_id"):
        return None
    if plain_name(end) in ("name", "title", "label", "value", "path"):
        return known, 0.85
    return ("", 0.0) if plain_name(end) == "id" and known != "group_id" else None


LANGUAGE_WORDS = frozenset(["de", "en", "fr", "es", "it", "nl", "pt", "pl"])
